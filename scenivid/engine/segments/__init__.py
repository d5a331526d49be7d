"""What a long run leaves behind as it goes, so that it can be taken up again after anything."""
