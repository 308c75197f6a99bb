"""The commands, one file each: options in, one question to the model, one renderer out."""
