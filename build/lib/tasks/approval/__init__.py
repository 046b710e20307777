"""What policy sends to a person: the question is put, answered, and the decision rests on it."""
