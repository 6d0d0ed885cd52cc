"""What crosses a border: types, base classes, errors. Imports no sibling."""
