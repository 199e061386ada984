/** The user of the system that a mailbox belongs to. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}
