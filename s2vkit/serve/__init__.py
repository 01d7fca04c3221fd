"""A trained model behind HTTP and WebSocket, with a page; the packages of `s2vkit[serve]`."""
