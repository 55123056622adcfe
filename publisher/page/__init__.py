"""Pages of the download site as Markdown: from a record to texts. No I/O but templates."""
