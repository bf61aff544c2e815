/** Structural type of the operator's log: an object of fields, then a message. pino fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const ignore = (): void => {};

/** The default: an embedder who passes no log gets diagnostics through the API only. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
