"""Making a prepared corpus: sources cut, checked, stored, and told of."""
