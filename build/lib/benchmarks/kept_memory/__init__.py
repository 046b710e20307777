"""What it saves that bank workers keep freed memory."""
