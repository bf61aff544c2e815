/**
 * Returns the value that a record has under a name from elsewhere, such as a label; undefined if it has none. Each object inherits values
 * under `constructor`, `toString` and `__proto__`.
 */
export const ownValue = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;
