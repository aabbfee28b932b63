/** The generated contract, in one place: nothing else in the client reaches into the stubs' folder. */
export * from "../../../../generated/ts/deskwire/v1/analytics_pb";
export * from "../../../../generated/ts/deskwire/v1/chat_pb";
export * from "../../../../generated/ts/deskwire/v1/common_pb";
export * from "../../../../generated/ts/deskwire/v1/conversation_pb";
export * from "../../../../generated/ts/deskwire/v1/error_reason_pb";
export * from "../../../../generated/ts/deskwire/v1/event_pb";
export * from "../../../../generated/ts/deskwire/v1/feedback_pb";
export * from "../../../../generated/ts/deskwire/v1/gap_pb";
export * from "../../../../generated/ts/deskwire/v1/knowledge_pb";
