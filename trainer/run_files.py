"""The names of files in a run directory, for those who only look into it."""

REPORT_JSON, REPORT_TEXT = "report.json", "report.txt"
HISTORY_NAME, PLOT_NAME = "history.csv", "plot.png"
