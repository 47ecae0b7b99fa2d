"""What is believed of a model, and how pieces become one."""
