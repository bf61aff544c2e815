import type { TestContext, TestFunction } from './store/harness.ts';

/** Declares one test of a contract; `needs` names what a place may lack. */
export type Declare<Stage, Capability extends string> = (
  title: string,
  run: (t: TestContext, stage: Stage) => Promise<void>,
  needs?: Capability,
) => void;

/** How the tests of a contract are declared: each on a stage of its own, or skipped for the reason that is given. */
export const declareOn =
  <Stage, Capability extends string>(
    test: TestFunction,
    lacks: Partial<Readonly<Record<Capability, string>>>,
    stage: (t: TestContext) => Promise<Stage>,
  ): Declare<Stage, Capability> =>
  (title, run, needs) => {
    const reason = needs && lacks[needs];
    if (reason === undefined) test(title, async (t) => run(t, await stage(t)));
    else test.skip(`${title} (skipped: ${reason})`, async () => {});
  };
