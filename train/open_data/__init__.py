"""The open data set: its sources, their licences, and how pictures are taken out of them."""
