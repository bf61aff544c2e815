export type { LackingApiCapabilities, RuntimeApiCapability, RuntimeApiHarness } from './api/harness.ts';
export type { Gate } from './engine/gate.ts';
export type { EngineCapability, EngineHarness, LackingEngineCapabilities } from './engine/harness.ts';
export type { Script, ScriptStep, WaitStep } from './engine/script.ts';
export {
  type FaultyStore,
  faultyStore,
  type Stall,
  type StoreCall,
  type StoreFault,
  type StoreMethod,
  type WhichCalls,
} from './faulty-store.ts';
export { inTurns, type TestHooks } from './in-turns.ts';
export { type ManualClock, manualClock } from './manual-clock.ts';
export {
  type ScriptedCall,
  ScriptedEngine,
  type ScriptedEngineOptions,
  type ScriptedRun,
  type ScriptedSession,
  scriptedEngine,
} from './scripted-engine.ts';
export type {
  LackingCapabilities,
  StoreCapability,
  StoreHarness,
  TestContext,
  TestFunction,
} from './store/harness.ts';
export { storedLogs } from './stored-logs.ts';
export { testEngine } from './test-engine.ts';
export { type MembershipHarness, testMembership } from './test-membership.ts';
export { type RegistryHarness, type RegistryPlace, testRegistry } from './test-registry.ts';
export { testRuntimeApi } from './test-runtime-api.ts';
export { type ScopeHarness, testScope } from './test-scope.ts';
export { testStore } from './test-store.ts';
