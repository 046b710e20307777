"""What the audits say of models whose right verdict is known."""
