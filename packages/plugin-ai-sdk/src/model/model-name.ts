/** What models may call a tool by is narrower than what people grant it by: 64 letters, digits, `_` and `-`. */
export const modelName = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
