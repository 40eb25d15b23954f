// Declares `x-ndjson-line` of an operation to the linter as a schema, so that it checks it and counts it as used.
export default () => ({
  id: "ndjson",
  typeExtension: {
    oas3: (types) => ({
      ...types,
      Operation: { ...types.Operation, properties: { ...types.Operation.properties, "x-ndjson-line": "Schema" } },
    }),
  },
});
