"""What is looked after by the clock: deadlines, copies that are due, the champion, the log."""
