"""What the pages say: gathered from the signed log and the sealed records, naming nobody."""
