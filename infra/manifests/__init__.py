"""What infra/ says of containers and clusters, read as the tools read it, and checked without any of them."""
