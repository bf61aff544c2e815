/** A number that a part of the system reports for monitoring. Names and labels come from fixed sets and from the configuration. */
export interface Metric {
  /** In snake_case, beginning with the part: `store_` or `registry_`. The name of a counter ends with `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** One value for each set of labels. The name of the runtime is added to those of a store. */
  readonly values: readonly {
    readonly value: number;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
}
