//! What HDFS does, on clusters that are real.
