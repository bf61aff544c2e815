import type { Claim } from '@worker-runtime/core';
import type { RegistryRow, ScopeRule } from '../records/registry.ts';

const componentsOf = (path: string): readonly string[] => path.split('/').filter((part) => part !== '');

const isInside = (inner: string, outer: string): boolean => {
  const [a, b] = [componentsOf(inner), componentsOf(outer)];
  return b.every((part, at) => a[at] === part);
};

const isParent = (parent: string, child: string): boolean =>
  isInside(child, parent) && componentsOf(child).length === componentsOf(parent).length + 1;

/** True if two rules may write the same file. A rule that is not recursive covers its directory and the files in it. */
export const rulesConflict = (a: ScopeRule, b: ScopeRule): boolean => {
  if (a.permission !== 'write' || b.permission !== 'write') return false;
  if (a.recursive && b.recursive) return isInside(a.target, b.target) || isInside(b.target, a.target);
  if (a.recursive) return isInside(b.target, a.target) || isParent(b.target, a.target);
  if (b.recursive) return isInside(a.target, b.target) || isParent(a.target, b.target);
  return isInside(a.target, b.target) && isInside(b.target, a.target)
    ? true
    : isParent(a.target, b.target) || isParent(b.target, a.target);
};

const isDenied = (rule: ScopeRule, { deny }: RegistryRow): boolean =>
  deny.some((one) => one.permission === 'write' && one.recursive && isInside(rule.target, one.target));

/** Returns the rows whose pods may write files that the claim covers. */
export const conflictingRows = (claim: Claim, rows: readonly RegistryRow[]): readonly RegistryRow[] => {
  if (claim.mode !== 'write' || !claim.resource.startsWith('fs:/')) return [];
  const rule: ScopeRule = {
    target: claim.resource.slice('fs:'.length),
    permission: 'write',
    recursive: true,
  };
  return rows.filter((row) => !isDenied(rule, row) && row.allow.some((one) => rulesConflict(one, rule)));
};

/** Returns the names of a pod, its ancestors and its descendants by delegation. These pods share a scope. */
export const familyOf = (name: string, rows: readonly RegistryRow[]): ReadonlySet<string> => {
  const family = new Set([name]);
  let parent = rows.find((row) => row.name === name)?.delegatedFrom ?? null;
  while (parent !== null && !family.has(parent)) {
    family.add(parent);
    const above = parent;
    parent = rows.find((row) => row.name === above)?.delegatedFrom ?? null;
  }
  const below = new Set([name]);
  for (let grew = true; grew; ) {
    const size = below.size;
    for (const row of rows)
      if (row.delegatedFrom !== null && below.has(row.delegatedFrom)) below.add(row.name);
    grew = below.size > size;
  }
  return new Set([...family, ...below]);
};

const isPlain = (path: string): boolean =>
  path.startsWith('/') &&
  componentsOf(path).every((part) => part !== '.' && part !== '..' && !part.includes('\0'));

/** Converts the write rules of a pod to claims of its Worker. The names of claims are public and contain no path. */
export const claimsOf = (rules: readonly ScopeRule[]): readonly Claim[] =>
  rules
    .filter((rule) => rule.permission === 'write' && isPlain(rule.target))
    .slice(0, 32)
    .map((rule, at) => ({
      name: at === 0 ? 'workspace' : `workspace-${at + 1}`,
      resource: `fs:/${componentsOf(rule.target).join('/')}`,
      mode: 'write',
    }));

const POD = 'legacy-pod:/';

/** Returns the claim to the pod itself, so that two Workers never hold one pod. Its resource is private. */
export const podClaim = (name: string): Claim => ({ name: 'pod', resource: `${POD}${name}`, mode: 'write' });

/** Returns the pod of a Worker of this engine. Its claim was added after the requested claims. */
export const podOf = (claims: readonly Claim[]): string | null =>
  claims.findLast(({ resource }) => resource.startsWith(POD))?.resource.slice(POD.length) ?? null;
