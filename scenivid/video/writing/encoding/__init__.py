"""How the picture is compressed: codecs, encoders, pixel formats, and the frames that encoders take."""
