import { RuntimeError } from '../contracts/runtime-error.ts';
import { isObject } from '../plugin-kit/shape.ts';

/** The parts that a runtime is made of: the option for each, and the method by which it is recognized. */
const PARTS = {
  plugin: { option: 'plugins', method: 'apply', article: 'a' },
  engine: { option: 'engines', method: 'attach', article: 'an' },
  store: { option: 'store', method: 'open', article: 'a' },
} as const;
type Part = keyof typeof PARTS;

const ALL = Object.keys(PARTS) as readonly Part[];

const isPart = (value: unknown, part: Part): boolean =>
  isObject(value) && typeof value[PARTS[part].method] === 'function';

/**
 * Refuses a value in the place of a part. Without types, a plugin that was not made yet would be taken for one: each function has a
 * name and a method `apply`.
 * @throws INVALID_REQUEST the value is no such part; the message says where it belongs, or what a part is
 */
export const assertPart = (part: Part, value: unknown): void => {
  const { option, method, article } = PARTS[part];
  const refuse = (why: string): never => {
    throw new RuntimeError('INVALID_REQUEST', why, { details: { option } });
  };
  if (typeof value === 'function')
    refuse(`The function "${value.name}" is not ${article} ${part}: call it, and pass its result`);
  const name = isObject(value) && typeof value.name === 'string' ? value.name : null;
  if (isPart(value, part) && (name !== null || part === 'store')) return;
  const other = ALL.find((candidate) => candidate !== part && isPart(value, candidate));
  if (other !== undefined)
    refuse(
      `"${name}" is ${PARTS[other].article} ${other}, not ${article} ${part}: pass it in the option "${PARTS[other].option}"`,
    );
  refuse(
    `The option "${option}" needs ${article} ${part}: an object with ${part === 'store' ? '' : 'a name and '}a method "${method}", not ${describe(value)}`,
  );
};

/** Describes a value for the message, by its text if it is one: a name of a plugin is a mistake that a program makes. */
const describe = (value: unknown): string =>
  typeof value === 'string' ? `the text "${value}"` : value === null ? 'null' : `this ${typeof value}`;
