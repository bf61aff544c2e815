import type { Page } from 'playwright-core';

/** The open requests of all Workers. */
export class InboxPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(`${url}/#/inbox`);
  }

  card(prompt: string) {
    return this.page.getByRole('article', { name: prompt });
  }

  /** The cards of requests that are open. */
  get openCards() {
    return this.page.locator('[data-request][data-open="true"]');
  }

  answer(prompt: string, label: string) {
    return this.card(prompt).getByRole('button', { name: label, exact: true });
  }
}
