"""Alert on the use of Leaf Agriculture contracts before it costs money."""
