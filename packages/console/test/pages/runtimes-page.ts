import type { Page } from 'playwright-core';

/** The runtimes that the server has. */
export class RuntimesPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(`${url}/#/runtimes`);
  }

  card(runtimeId: string) {
    return this.page.locator(`[data-runtime="${runtimeId}"]`);
  }

  state(runtimeId: string) {
    return this.card(runtimeId).locator('[data-state]');
  }
}
