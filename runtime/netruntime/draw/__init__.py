"""Everything `netrun show` prints: the table, and drawings as SVG, HTML, DOT and Mermaid."""
