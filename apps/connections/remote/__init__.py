"""What connections can besides clone: the hosts' own APIs, asked as the connection, within bounds."""
