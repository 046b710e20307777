"""Pictures that look alike: perceptual hashes, how near two are, and those that erasures leave."""
