//! What clients ask a server about itself: a warehouse of one node.

use super::super::super::session::Session;
use super::{Listing, some};
use rockhold_sql::ast::ShowWhat;

/// The answer, where there is one.
pub(super) fn show(session: &Session, what: &ShowWhat) -> Option<Listing> {
    let started = super::partitions::local_time(session.zone, session.store.now());
    Some(match what {
        ShowWhat::Warnings | ShowWhat::Errors => Listing::new(&["Level", "Code", "Message"], Vec::new()),
        ShowWhat::Charset => Listing::new(
            &["Charset", "Description", "Default collation", "Maxlen"],
            vec![vec![some("utf8"), some("UTF-8 Unicode"), some("utf8_general_ci"), some("3")]],
        ),
        ShowWhat::Collation => Listing::new(
            &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"],
            vec![vec![
                some("utf8_general_ci"),
                some("utf8"),
                some("33"),
                some("Yes"),
                some("Yes"),
                some("1"),
            ]],
        ),
        ShowWhat::Engines => Listing::new(
            &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"],
            vec![vec![
                some("OLAP"),
                some("YES"),
                some("Default storage engine"),
                some("NO"),
                some("NO"),
                some("NO"),
            ]],
        ),
        ShowWhat::Plugins => Listing::new(&["Name", "Type", "Description", "Version", "Status"], Vec::new()),
        ShowWhat::Status { .. } => Listing::new(&["Variable_name", "Value"], Vec::new()),
        ShowWhat::Processlist { .. } => Listing::new(
            &["Id", "User", "Host", "Db", "Command", "ConnectionStartTime", "Time", "State", "Info"],
            Vec::new(),
        ),
        ShowWhat::Frontends => {
            let values = [
                "1",
                "embedded",
                "127.0.0.1",
                "0",
                "0",
                "0",
                "0",
                "LEADER",
                "0",
                "true",
                "true",
                "0",
                &started,
                "true",
                "",
                &started,
                "",
            ];
            let columns = [
                "Id",
                "Name",
                "IP",
                "EditLogPort",
                "HttpPort",
                "QueryPort",
                "RpcPort",
                "Role",
                "ClusterId",
                "Join",
                "Alive",
                "ReplayedJournalId",
                "LastHeartbeat",
                "IsHelper",
                "ErrMsg",
                "StartTime",
                "Version",
            ];
            Listing::new(&columns, vec![values.iter().map(|value| some(*value)).collect()])
        }
        ShowWhat::Backends => backends(&started),
        ShowWhat::ComputeNodes => Listing::new(&["ComputeNodeId", "IP", "Alive"], Vec::new()),
        ShowWhat::Brokers => Listing::new(&["Name", "IP", "Port", "Alive"], Vec::new()),
        ShowWhat::AlterTable { .. } => Listing::new(
            &["JobId", "TableName", "CreateTime", "FinishTime", "State", "Msg", "Progress", "Timeout"],
            Vec::new(),
        ),
        _ => return None,
    })
}

fn backends(started: &str) -> Listing {
    let columns = [
        "BackendId",
        "IP",
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "BrpcPort",
        "LastStartTime",
        "LastHeartbeat",
        "Alive",
        "SystemDecommissioned",
        "ClusterDecommissioned",
        "TabletNum",
        "DataUsedCapacity",
        "AvailCapacity",
        "TotalCapacity",
        "UsedPct",
        "MaxDiskUsedPct",
        "ErrMsg",
        "Version",
        "Status",
        "DataTotalCapacity",
        "DataUsedPct",
        "CpuCores",
        "MemLimit",
        "NumRunningQueries",
        "MemUsedPct",
        "CpuUsedPct",
        "DataCacheMetrics",
        "Location",
        "StatusCode",
    ];
    let value = |name: &str| match name {
        "BackendId" => "10001",
        "IP" => "127.0.0.1",
        "LastStartTime" | "LastHeartbeat" => started,
        "Alive" => "true",
        "SystemDecommissioned" | "ClusterDecommissioned" => "false",
        "StatusCode" => "OK",
        "ErrMsg" | "Version" | "Status" | "DataCacheMetrics" | "Location" => "",
        _ => "0",
    };
    Listing::new(&columns, vec![columns.iter().map(|name| some(value(name))).collect()])
}
