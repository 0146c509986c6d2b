-- When each of a job's first checks was answered: milliseconds, separated by spaces, in order of recording.
ALTER TABLE jobs ADD COLUMN check_times TEXT COLLATE "C";
