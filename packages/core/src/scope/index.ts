/*
 * For programs that serve a part of a runtime to a caller: transports, registries and backends.
 */

export { type Allowance, EVERYTHING, isAllowance } from './allowance.ts';
export { ALLOWANCE_HEADER, type Authority } from './authority.ts';
export {
  covers,
  isLabels,
  isPermission,
  isScope,
  isSelected,
  isSelection,
  type Labels,
  PERMISSIONS,
  type Permission,
  type Scope,
  UNLIMITED,
} from './scope.ts';
export { scoped } from './scoped.ts';
