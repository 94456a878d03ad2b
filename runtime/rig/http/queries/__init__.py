"""What lists answer: functions of a snapshot that know no server, so that a store may run them in a process of its own."""
