"""How good a model is: figures, pictures and words about its answers on some examples."""
