import { hash } from 'node:crypto';

/** A statement that a connection plans once. */
export interface Statement {
  /** Derived from the text, so that two versions of this package never share a name on one server connection. */
  readonly name: string;
  readonly text: string;
}

/** Makes a statement of a text. */
export const statement = (text: string): Statement => ({
  name: `wr_${hash('sha256', text, 'hex').slice(0, 16)}`,
  text,
});
