import { isObject } from '../plugin-kit/shape.ts';
import { type Allowance, isAllowance } from './allowance.ts';

/**
 * The permissions of callers. `observe` reads. `operate` uses Workers, and `answer` answers their requests; each includes
 * `observe` but not the other, so that the caller that sends an input need not be the one that grants what an agent asks for.
 * `admin` includes all, deletes Workers and manages bundles.
 */
export type Permission = 'observe' | 'operate' | 'answer' | 'admin';

const INCLUDED: Readonly<Record<Permission, readonly Permission[]>> = {
  observe: ['observe'],
  operate: ['observe', 'operate'],
  answer: ['observe', 'answer'],
  admin: ['observe', 'operate', 'answer', 'admin'],
};

export const PERMISSIONS = Object.keys(INCLUDED) as readonly Permission[];

/** True if one of the held permissions includes the needed one. */
export const covers = (held: readonly Permission[], needed: Permission): boolean =>
  held.some((permission) => INCLUDED[permission].includes(needed));

/** The labels of a Worker. As a selector: a Worker that has all of them with these values. */
export type Labels = Readonly<Record<string, string>>;

/** The part of a runtime that exists for a caller, and what the caller may do there. */
export interface Scope {
  readonly permissions: readonly Permission[];
  /** The Workers that exist for the caller: those that one of these selectors selects, or all. */
  readonly workers: '*' | readonly Labels[];
  /**
   * The labels that each Worker of the caller gets at its creation. The caller can neither choose other values for them nor
   * remove them later.
   */
  readonly stamp: Labels;
  /** The parts that the caller may give to the Workers that it creates or changes. Default: all. */
  readonly allowance?: Allowance;
}

/** The scope of a caller without restrictions. */
export const UNLIMITED: Scope = { permissions: ['admin'], workers: '*', stamp: {} };

/** True if a scope contains a Worker with these labels. */
export const isSelected = ({ workers }: Scope, labels: Labels): boolean =>
  workers === '*' ||
  workers.some((selector) => Object.entries(selector).every(([name, value]) => labels[name] === value));

export const isPermission = (value: unknown): value is Permission =>
  (PERMISSIONS as readonly unknown[]).includes(value);

/** True for labels as data from elsewhere, such as a file. */
export const isLabels = (value: unknown): value is Labels =>
  isObject(value) && Object.values(value).every((label) => typeof label === 'string');

/** True for the Workers of a scope as data from elsewhere. A selector has a label: one without would select all Workers. */
export const isSelection = (value: unknown): value is Scope['workers'] =>
  value === '*' ||
  (Array.isArray(value) && value.every((selector) => isLabels(selector) && Object.keys(selector).length > 0));

const FIELDS = ['permissions', 'workers', 'stamp', 'allowance'];

/** True for a scope as data from elsewhere. It has no other fields: one that this version does not know might be a restriction. */
export const isScope = (value: unknown): value is Scope =>
  isObject(value) &&
  Object.keys(value).every((field) => FIELDS.includes(field)) &&
  Array.isArray(value.permissions) &&
  value.permissions.every(isPermission) &&
  isSelection(value.workers) &&
  isLabels(value.stamp) &&
  (value.allowance === undefined || isAllowance(value.allowance));
