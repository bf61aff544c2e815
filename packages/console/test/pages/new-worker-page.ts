import type { Page } from 'playwright-core';

/** The form for a new Worker. */
export class NewWorkerPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(`${url}/#/workers/new`);
    await this.field('Engine').waitFor();
  }

  field(name: string) {
    return this.page.getByLabel(new RegExp(`^${name}`));
  }

  tool(name: string) {
    return this.page.getByRole('checkbox', { name, exact: true });
  }

  get create() {
    return this.page.getByRole('button', { name: 'Create the Worker' });
  }

  /** The faults that the form shows. */
  get faults() {
    return this.page.getByRole('alert');
  }

  /** Returns the code that does the same. */
  async code(): Promise<string> {
    return (await this.page.getByLabel('The same as code').textContent()) ?? '';
  }
}
