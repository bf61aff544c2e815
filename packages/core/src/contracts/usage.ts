import type { ModelUsage } from './overview.ts';

/** A question about the usage of many Workers. */
export interface UsageQuery {
  /** The number of days, today included: 1 to 31, the default. Days are those of UTC. */
  readonly days?: number;
  /** Selects Workers that have all of these labels with these values now. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The most Workers of `workers`: 1 to `limits.pageItems`. Default: `limits.pageItemsDefault`. */
  readonly limit?: number;
}

/** Numbers of tokens of one model. */
export interface UsageOfModel extends ModelUsage {
  /** Null for calls whose engine names no model, and for models beyond the first 100. */
  readonly model: string | null;
}

/** Numbers of tokens of one model on one day. */
export interface UsageOfDay extends UsageOfModel {
  /** A day of UTC, such as `2026-11-29`. */
  readonly day: string;
}

/** The usage of one Worker in the days of a report. */
export interface UsageOfWorker {
  readonly workerId: string;
  readonly displayName: string | null;
  readonly models: readonly UsageOfModel[];
}

/**
 * The tokens that the Workers of a runtime used, by day, model and Worker. It follows from the logs of the Workers that exist: a
 * deletion removes the usage of its Worker.
 */
export interface UsageReport {
  readonly runtimeId: string;
  /** The first and the last day. */
  readonly from: string;
  readonly to: string;
  /** The days with usage, oldest first, each model of a day apart. */
  readonly days: readonly UsageOfDay[];
  /** The Workers that used most in these days, the one with most tokens first. */
  readonly workers: readonly UsageOfWorker[];
  /** The number of all Workers that used tokens in these days. */
  readonly workersWithUsage: number;
  /**
   * The usage of all these Workers at any other time: before `from`, on days that are no longer counted apart, and before the
   * runtime counted days.
   */
  readonly earlier: readonly UsageOfModel[];
}
