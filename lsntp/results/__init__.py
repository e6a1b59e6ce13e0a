"""Records -> tables: which runs, how two rows compare, what the talk claims."""
