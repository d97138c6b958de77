"""What cells of a notebook show, and the widget that talks."""
