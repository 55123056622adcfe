"""The parts of an audit: where a release is live, what to look at, what is wrong with it. `verify` puts them together."""
