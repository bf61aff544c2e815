export { Backend, type BackendHost, type LocalFile } from './backend.ts';
export type { CompanionConfig } from './companion.ts';
export {
  type BackendConfig,
  defineBackend,
  type PluginOptions,
  type RuntimeConfig,
  type WorkspaceConfig,
} from './config.ts';
export type { OidcConfig } from './people/oidc-config.ts';
export type { Person } from './people/person.ts';
export { type Grant, type GrantLimits, type Policy, scopeOf } from './policy.ts';
export { DEFAULT_RULES, type Explanation, explain, type Rule, readPolicy } from './policy-file.ts';
