"""What one notebook computes and draws; a module each, named as its notebook."""
