import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Given } from '../contracts/served-runtime.ts';
import { parseResource } from '../domain/claims.ts';
import { isObject } from '../plugin-kit/shape.ts';

/** The engines, tools and resources that a caller may give to Workers, when it creates or changes them. */
export interface Allowance {
  /** The names of engines. */
  readonly engines: '*' | readonly string[];
  /** The names of tools. */
  readonly tools: '*' | readonly string[];
  /** Resources such as `fs:/srv/acme`. A claim may be to one of them, or to a part of it. */
  readonly claims: '*' | readonly string[];
}

/** The allowance without restrictions. */
export const EVERYTHING: Allowance = { engines: '*', tools: '*', claims: '*' };

const KINDS = Object.keys(EVERYTHING) as readonly (keyof Allowance)[];

const isResource = (value: unknown): boolean => {
  try {
    return typeof value === 'string' && parseResource(value).length > 0;
  } catch {
    return false;
  }
};

const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** True for an allowance as data from elsewhere. It names all three kinds and no others, which might be restrictions. */
export const isAllowance = (value: unknown): value is Allowance =>
  isObject(value) &&
  Object.keys(value).length === KINDS.length &&
  KINDS.every((kind) => {
    const allowed = value[kind];
    return (
      allowed === '*' || (Array.isArray(allowed) && allowed.every(kind === 'claims' ? isResource : isName))
    );
  });

/** True if a resource is another one, or a part of it. */
const isPartOf = (resource: readonly string[], whole: string): boolean =>
  parseResource(whole).every((component, at) => resource[at] === component);

/**
 * Checks what a command gives to a Worker.
 * @throws FORBIDDEN an engine, a tool or a claim is not allowed; the error names it · INVALID_REQUEST a resource is malformed
 */
export const assertAllowed = ({ engines, tools, claims }: Allowance, given: Given): void => {
  const { engine } = given;
  if (engines !== '*' && !engines.includes(engine))
    throw new RuntimeError('FORBIDDEN', `Your scope does not allow the engine "${engine}"`, {
      details: { engine },
    });
  const tool = tools === '*' ? undefined : given.tools.find((one) => !tools.includes(one));
  if (tool !== undefined)
    throw new RuntimeError('FORBIDDEN', `Your scope does not allow the tool "${tool}"`, {
      details: { tool },
    });
  if (claims === '*') return;
  for (const [index, { name, resource }] of given.claims.entries()) {
    const parts = parseResource(resource, `/claims/${index}/resource`);
    if (claims.some((whole) => isPartOf(parts, whole))) continue;
    // without the resources, which are private
    throw new RuntimeError('FORBIDDEN', `Your scope does not allow the claim "${name}"`, {
      details: { claim: name },
    });
  }
};
