"""Every alert made to fire and to clear on the running bot."""
