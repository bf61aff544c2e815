import type { TestContext, TestFunction } from './store/harness.ts';

/** Declares one test of a contract. `needs` names the capability without which the test is skipped. */
export type Declare<Scene, Capability extends string> = (
  title: string,
  run: (t: TestContext, scene: Scene) => Promise<void>,
  needs?: Capability,
) => void;

/**
 * Returns the function that declares the tests of one contract. Each test gets a scene of its own, which `makeScene`
 * makes when the test starts. A test whose capability is in `lacks` is declared with `test.skip`, and the reason is
 * appended to its title.
 */
export const declareOn =
  <Scene, Capability extends string>(
    test: TestFunction,
    lacks: Partial<Readonly<Record<Capability, string>>>,
    makeScene: (t: TestContext) => Promise<Scene>,
  ): Declare<Scene, Capability> =>
  (title, run, needs) => {
    const reason = needs && lacks[needs];
    if (reason === undefined) test(title, async (t) => run(t, await makeScene(t)));
    else test.skip(`${title} (skipped: ${reason})`, async () => {});
  };
