"""HTTP: JSON for programs in `api`, pages for people in `pages`."""
