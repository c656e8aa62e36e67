"""A campaign's report: values first, then one HTML file and one Markdown file made of them."""
