"""`trainer.main --dry_run`: what a run would do, without leaving anything behind."""
